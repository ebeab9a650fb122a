"""A small host application on real accounts, and the traffic that shows what hhs_perf sees of it.

The application is written as a host would write it: `flask_app.py` and `fastapi_app.py` import
hhs_perf from outside and mount it in three lines. The accounts are real public accounts of US
federal health agencies; every figure about them is generated and says so.
"""
